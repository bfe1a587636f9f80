"""Dense mode: halls, which are processes of a worker that run several calls each. See `docs/density.md`."""
