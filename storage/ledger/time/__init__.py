"""RFC 3161 timestamps over checkpoints: requests, replies, the archive in the log's folder, renewals."""
