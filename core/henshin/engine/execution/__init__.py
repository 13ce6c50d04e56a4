"""The execution of a run: reader, run loop, writer, recorder, and the threads between them."""
