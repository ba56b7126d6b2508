"""What a study has recorded: its folder, its SQLite database, and read models for viewers.

The engine writes through `state.store`; viewers read through `state.read`. Nothing here imports
another room.
"""
