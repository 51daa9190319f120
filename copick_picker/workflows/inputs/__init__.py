"""What commands read of a run: tomograms, masks, pick sets, annotations."""
