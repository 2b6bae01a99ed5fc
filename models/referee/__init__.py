"""Each tested event in; how the learning model compares with models that do not learn, out."""
