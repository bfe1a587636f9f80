"""The scripted caller: talks to a persona of a running platform by voice and checks what it hears."""
