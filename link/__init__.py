"""The wire between an edge and its cloud, as both ends share it. Sans-I/O: nothing here opens a socket."""
