"""The Retriever door: queries go in, ranked passages come out; behind it, recipes, encoders and FAISS."""
