"""The responses of UFM's REST API, one module per subject. `lab.ufm.urls` maps paths to them."""
