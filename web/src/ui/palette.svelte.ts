export const palette = $state({ open: false });
export const openPalette = (): void => void (palette.open = true);
