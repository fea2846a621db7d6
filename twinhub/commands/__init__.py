"""One file per command. Its docstring is its help: the first paragraph above the options, the rest below."""
