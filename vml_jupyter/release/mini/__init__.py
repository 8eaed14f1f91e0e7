"""Build a small CernVM-like release out of Debian packages, for machines that cannot reach CERN.

    <data>/mini/<recipe digest>/                       a release repository with CernVM's URL layout
      mini-ca.crt                                      who signed the image
      releases/latest                                  "2021.05-1"
      releases/ucernvm-images.<V>.cernvm.x86_64/
        ucernvm-mini.2021.05-1.cernvm.x86_64.hdd       MBR, FAT, ext4, signature block
        ucernvm-v4prod.2020.07-1.cernvm.x86_64.qcow2   the same without a signature, compressed
        <image>.sha256                                 64 hex digits
      cvmfs/<repository>/.cvmfspublished               names the history and the newest catalog
      cvmfs/<repository>/data/xx/yyyH                  the history: which systems (or revisions) exist
      cvmfs/<repository>/data/xx/yyyC                  their catalogs
    <data>/mini/.lock  <data>/mini/.building-*         one build at a time; what a killed one left

A folder of another digest belongs to another recipe and may be deleted when no machine uses its image.
"""

from vml_jupyter.release.mini.builder import build

__all__ = ["build"]
