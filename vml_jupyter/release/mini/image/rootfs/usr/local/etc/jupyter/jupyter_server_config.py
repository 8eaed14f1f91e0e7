# A system stays as it was: no search for newer versions, no installing of extensions; both also cost a start.
c = get_config()  # noqa: F821
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
