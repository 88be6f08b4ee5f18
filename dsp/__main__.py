"""`python -m dsp` is the command `dsp`."""

from dsp.cli import main

if __name__ == "__main__":
    main()
