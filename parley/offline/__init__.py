"""Models that run on this machine, behind the OpenAI protocol: for the demo and for tests, never for production.

Speech is flite's, recognition is pocketsphinx's, embeddings are MiniLM's, and the answering model quotes the
sentences it was given or says that it does not know. None of them needs a network, an account or a key.
"""
