"""What a package is made as: zip, layer, image."""
