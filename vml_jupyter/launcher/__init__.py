"""The host-side script; nothing here yet."""
