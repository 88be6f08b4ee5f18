"""Text as it stands: its sentences, words, terms and numbers, and the fields of a prompt written and read back."""
