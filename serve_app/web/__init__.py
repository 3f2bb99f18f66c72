"""The web: pages beside the API, for whoever chooses a model by looking. They read what the API reads."""
