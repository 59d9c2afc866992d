"""One consistent view, of a chunk or of the whole source, and who waits because of the sessions that hold it."""
