"""The commands of `arl-tui`; each module adds its own with `register(app)`."""
