"""The web page: photos in, a pipeline with its options, results beside their photos; and the HTTP API behind it."""
