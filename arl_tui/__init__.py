"""The command line and the terminal interface: a viewer and a remote control of a study."""
