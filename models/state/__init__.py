"""Declarations in; tables of arrays, ids, rows, ceilings and copies out. Holds all learned state and learns nothing."""
