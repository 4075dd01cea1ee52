"""What `vmfuzz show` needs beyond `vmformat.render`: colours, a pager, where streams come from."""
