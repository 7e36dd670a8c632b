"""The fabric, UFM and cloud that the hosts act on: `interfaces` declares them, the other modules implement them."""
