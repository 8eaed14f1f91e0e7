"""Tell which software stacks were set up, by the variables that their set-up scripts leave.

LCG view          .../lcg/views/LCG_105/x86_64-el9-gcc13-opt in a search path; SWAN also says so itself
LCG               LCG_VERSION, LCG_PLATFORM (lcgenv)
ATLAS             AtlasProject, AtlasVersion, <project>_PLATFORM, AtlasBuildStamp (of a nightly)
CMS               CMSSW_VERSION, SCRAM_ARCH, CMSSW_RELEASE_BASE
LHCb              GAUDIAPPNAME, GAUDIAPPVERSION, BINARY_TAG; LBENV_SOURCED (the version of LbEnv)
Key4hep           KEY4HEP_STACK
ALICE and others  LOADEDMODULES (environment modules)
Python, conda     VIRTUAL_ENV, CONDA_PREFIX
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vml_jupyter.environment.texts import long, short
from vml_jupyter.model import Software

_PLATFORM = r"(?P<platform>[a-z0-9_+]+-[a-z0-9.]+-[a-z0-9.+]+-[a-z0-9+]+)"
_VIEW = (
    r"/cvmfs/sft(?:-nightlies)?\.cern\.ch/lcg/views/(?P<version>[A-Za-z0-9._+-]+)"
    rf"(?:/(?P<day>latest|Mon|Tue|Wed|Thu|Fri|Sat|Sun))?/{_PLATFORM}(?=[/:]|$)"
)
# Where a view's set-up leaves its path, the surest first.
_PLACES = ("LCG_VIEW", "ROOTSYS", "PYTHONHOME", "PYTHONPATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PATH")
_MODULES = 50


def software(environ: Mapping[str, str], interpreter: str = "") -> tuple[Software, ...]:
    """Return the stacks that are set up in these variables, or that ``interpreter`` belongs to."""
    found = (_lcg(environ, interpreter), _atlas(environ), _cms(environ), _lhcb(environ), _key4hep(environ))
    return (*(each for each in found if each), *_modules(environ), *_python(environ))


def _lcg(environ: Mapping[str, str], interpreter: str) -> Software | None:
    swan = [environ.get(f"ROOT_LCG_VIEW_{part}", "") for part in ("PATH", "NAME", "PLATFORM")]
    texts = [*(environ.get(name, "") for name in _PLACES), interpreter, "/".join(swan)]
    matches = (re.search(_VIEW, text) for text in texts if "/lcg/views/" in text)
    match = next((match for match in matches if match), None)
    if match:
        day = f" {match['day']}" if match["day"] else ""
        return _stack("LCG view", match["version"] + day, match["platform"], match[0])
    if environ.get("LCG_VERSION"):
        platform = environ.get("LCG_PLATFORM") or environ.get("BINARY_TAG", "")
        return _stack("LCG", environ["LCG_VERSION"], platform, environ.get("LCG_RELEASE_BASE", ""))
    return None


def _atlas(environ: Mapping[str, str]) -> Software | None:
    project = environ.get("AtlasProject", "")
    if not project:
        return None
    version = " ".join(filter(None, (environ.get("AtlasVersion"), environ.get("AtlasBuildStamp"))))
    platform = environ.get(f"{project}_PLATFORM") or environ.get("CMTCONFIG", "")
    return _stack(f"ATLAS {project}", version, platform, environ.get(f"{project}_DIR", ""))


def _cms(environ: Mapping[str, str]) -> Software | None:
    if not environ.get("CMSSW_VERSION"):
        return None
    path = environ.get("CMSSW_RELEASE_BASE") or environ.get("CMSSW_BASE", "")
    return _stack("CMSSW", environ["CMSSW_VERSION"], environ.get("SCRAM_ARCH", ""), path)


def _lhcb(environ: Mapping[str, str]) -> Software | None:
    platform = environ.get("BINARY_TAG") or environ.get("CMTCONFIG", "")
    if environ.get("GAUDIAPPNAME"):
        return _stack(f"LHCb {environ['GAUDIAPPNAME']}", environ.get("GAUDIAPPVERSION", ""), platform, "")
    if environ.get("LBENV_SOURCED"):
        return _stack("LHCb LbEnv", environ["LBENV_SOURCED"], platform, "")
    return None


def _key4hep(environ: Mapping[str, str]) -> Software | None:
    path = environ.get("KEY4HEP_STACK", "")
    match = re.search(r"/releases/([^/]+)/([^/]+)", path)
    return _stack("Key4hep", match[1] if match else "", match[2] if match else "", path) if path else None


def _modules(environ: Mapping[str, str]) -> Iterator[Software]:
    loaded = [name for name in environ.get("LOADEDMODULES", "").split(":") if name]
    for name in loaded[:_MODULES]:
        title, _, version = name.partition("/")
        yield _stack(f"module {title}", version, "", "")


def _python(environ: Mapping[str, str]) -> Iterator[Software]:
    if environ.get("VIRTUAL_ENV"):
        yield _stack("Python virtual environment", "", "", environ["VIRTUAL_ENV"])
    if environ.get("CONDA_PREFIX"):
        yield _stack("conda", environ.get("CONDA_DEFAULT_ENV", ""), "", environ["CONDA_PREFIX"])


def _stack(name: str, version: str, platform: str, path: str) -> Software:
    return Software(name=short(name), version=short(version), platform=short(platform), path=long(path))
