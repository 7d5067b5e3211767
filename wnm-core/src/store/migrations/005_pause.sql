-- Cycles that the owner paused.

ALTER TABLE machine ADD COLUMN pause TEXT; -- JSON, unless cycles are not paused
