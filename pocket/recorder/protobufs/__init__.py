"""What LiveKit's services say to each other, generated from the `.proto` beside it by `tools/protos.py`."""
