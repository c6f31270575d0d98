// One page, one script, one style sheet, under fixed names: the library embeds them as they are.
import { defineConfig } from 'vite';

export default defineConfig({
    base: './',
    esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
    build: {
        target: 'es2020',
        outDir: 'dist',
        emptyOutDir: true,
        modulePreload: false,
        cssCodeSplit: false,
        assetsInlineLimit: 0,
        rollupOptions: {
            output: {
                entryFileNames: 'dashboard.js',
                assetFileNames: 'dashboard[extname]',
                inlineDynamicImports: true,
            },
        },
    },
});
