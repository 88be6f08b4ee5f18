"""Demonstrations as an artefact: the file, its fit to a program, its differences, and data for fine-tuning."""
