"""The server extension, with a real Jupyter server around it and flows that need no hypervisor."""
