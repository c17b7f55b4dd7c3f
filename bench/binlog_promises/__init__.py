"""What the binlog archive promises, each tried many times on real servers: see binlog_soak."""
