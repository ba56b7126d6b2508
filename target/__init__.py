"""The target: the script that a study edits, the places where it can change, and the changes."""
