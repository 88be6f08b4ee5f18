"""The LM door: a request goes in, completions come out; everything behind it is replaceable."""
