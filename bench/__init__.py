"""The product beside its peers, in one run: machines in ``restore``, the logbook in ``logbook``."""
