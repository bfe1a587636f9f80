"""The one-machine platform: every server and process of Parley as supervised children of one command."""
