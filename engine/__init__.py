"""The engine: the main loop, slots and executors, acceptance, the termination oracle, control."""
