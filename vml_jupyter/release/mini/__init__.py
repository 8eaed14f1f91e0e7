"""Build a small CernVM-like release out of Debian packages, for machines that cannot reach CERN.

    <data>/mini/<recipe digest>/                       a release repository with CernVM's URL layout
      mini-ca.crt                                      who signed the image
      releases/latest                                  "2021.05-1"
      releases/ucernvm-images.<V>.cernvm.x86_64/
        ucernvm-mini.<V>.cernvm.x86_64.hdd             the image: MBR, FAT, ext4, signature block
        ucernvm-mini.<V>.cernvm.x86_64.hdd.sha256      64 hex digits
      cvmfs/cernvm-prod.cern.ch/.cvmfspublished        names the history object
      cvmfs/cernvm-prod.cern.ch/data/xx/yyyH           the history: which systems exist
    <data>/mini/.lock  <data>/mini/.building-*         one build at a time; what a killed one left

A folder of another digest belongs to another recipe and may be deleted when no machine uses its image.
"""

from vml_jupyter.release.mini.builder import build

__all__ = ["build"]
