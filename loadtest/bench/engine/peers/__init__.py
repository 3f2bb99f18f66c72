"""One file a library: how it is loaded, and how it is asked.

A file has a function for each kind of work that its library does: `sequences` (token ids to a row each), `texts`
(texts to a vector each) and `requests` (queries with their documents to a score a document). Each takes a model
directory and gives a `Start`. Libraries are imported inside, in the contender's own process.
"""
