"""Gates: what a version has to show before it may go to a stage. Each kind is one small class."""
