"""Parts of several learners -> one state: the rules that run over more rows than numpy can take. A rack."""
