"""Pick the environment variables that say how a notebook was run, and none that could hold a secret.

A list of what may be recorded, not of what may not: a new name for a password is recorded by nobody. What is on
the list may still carry one inside a URL, so ``http://user:password@proxy`` is written without it.
"""

from __future__ import annotations

from collections.abc import Mapping

from vml_jupyter.environment.texts import long

ALLOWED = frozenset(
    (
        *("LANG", "LC_ALL", "LC_NUMERIC", "TZ", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "VIRTUAL_ENV"),
        *("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "LOADEDMODULES", "CMAKE_PREFIX_PATH"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
        *("CUDA_VISIBLE_DEVICES", "SOURCE_DATE_EPOCH", "http_proxy", "https_proxy", "no_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CVMFS_HTTP_PROXY", "FRONTIER_SERVER"),
        *("ROOTSYS", "ROOT_INCLUDE_PATH", "CLING_STANDARD_PCH", "ROOT_LCG_VIEW_NAME", "ROOT_LCG_VIEW_PATH"),
        *("ROOT_LCG_VIEW_PLATFORM", "LCG_VIEW", "LCG_VERSION", "LCG_PLATFORM", "LCG_RELEASE_BASE"),
        *("SOFTWARE_SOURCE", "BINARY_TAG", "CMTCONFIG", "CMTPROJECTPATH", "SITEROOT"),
        *("AtlasProject", "AtlasVersion", "AtlasBuildStamp", "AtlasBuildBranch", "AtlasReleaseType"),
        *("ATLAS_LOCAL_ROOT_BASE", "ALRB_CONT_IMAGE", "CALIBPATH", "DATAPATH", "TestArea"),
        *("CMSSW_VERSION", "CMSSW_BASE", "CMSSW_RELEASE_BASE", "SCRAM_ARCH", "CMS_PATH"),
        *("LBENV_SOURCED", "GAUDIAPPNAME", "GAUDIAPPVERSION", "GAUDIALIAS", "KEY4HEP_STACK"),
        *("GEANT4_DATA_DIR", "LHAPDF_DATA_PATH", "PYTHIA8DATA", "JUPYTER_IMAGE", "JUPYTER_IMAGE_SPEC"),
    )
)


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may be recorded, sorted by name, each at most 10,000 characters long."""
    return {name: long(_without_user(name, environ[name])) for name in sorted(ALLOWED & environ.keys())}


def _without_user(name: str, value: str) -> str:
    """Cut from where a URL's user could begin to the last place where one could end; rather too much."""
    if name.lower().endswith("proxy"):  # which may be written without http://
        return value.rpartition("@")[2]
    before, scheme, rest = value.partition("://")
    return before + scheme + rest.rpartition("@")[2]
