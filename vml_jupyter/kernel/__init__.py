"""The door for notebooks: ``%load_ext vml_jupyter`` gives ``%vml``.

%vml snapshot -m "Z mass, first fit"     %vml list     %vml restore ENTRY     %vml machines     %vml?
"""

from vml_jupyter.kernel.magics import load_ipython_extension, unload_ipython_extension

__all__ = ["load_ipython_extension", "unload_ipython_extension"]
