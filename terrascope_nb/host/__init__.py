"""The machine and the account: mounts, session, memory."""
