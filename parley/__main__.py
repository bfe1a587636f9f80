"""`python -m parley` is `parley`."""

from parley.cli import app

if __name__ == "__main__":
    app()
