"""The promise as a model that is searched: every order of the steps that archive, remove and restore one chunk.

`python -m tests.proof [--full] [--only WORDS] [--trails FOLDER]`; see docs/proof.md.
"""
