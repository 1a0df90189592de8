"""What administers a cluster: topics, rights, controls, and whether a login works."""
