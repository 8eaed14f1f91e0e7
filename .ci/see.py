"""Let the environment of the Python that runs this see the packages of another one, editable ones among them.

<other>/bin/python  ->  <this environment>/site-packages/outer.pth
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

ASK = "import sysconfig; print(sysconfig.get_path('purelib'))"

other = subprocess.run([sys.argv[1], "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()
# A folder that is only named in a .pth is no site: the .pth files in it, as of an editable install, would not count.
line = f"import site; site.addsitedir({other!r})\n"
Path(sysconfig.get_path("purelib"), "outer.pth").write_text(line)
