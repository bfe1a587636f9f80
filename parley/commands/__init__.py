"""What the command `parley` does with a running platform: tail, keys, call, talk."""
