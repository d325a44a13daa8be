"""Artifacts: the files of runs and versions, their uploads and their verification."""
