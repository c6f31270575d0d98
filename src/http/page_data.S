/* The bytes of the dashboard's files (tools/dashboard/dist, which is on the assembler's path). */

        .section .rodata

        .balign 16
        .globl sp__http_page_html, sp__http_page_html_end
        .hidden sp__http_page_html, sp__http_page_html_end
sp__http_page_html:
        .incbin "index.html"
sp__http_page_html_end:
        .byte 0

        .balign 16
        .globl sp__http_page_js, sp__http_page_js_end
        .hidden sp__http_page_js, sp__http_page_js_end
sp__http_page_js:
        .incbin "dashboard.js"
sp__http_page_js_end:
        .byte 0

        .balign 16
        .globl sp__http_page_css, sp__http_page_css_end
        .hidden sp__http_page_css, sp__http_page_css_end
sp__http_page_css:
        .incbin "dashboard.css"
sp__http_page_css_end:
        .byte 0

        .balign 16
        .globl sp__http_page_icon, sp__http_page_icon_end
        .hidden sp__http_page_icon, sp__http_page_icon_end
sp__http_page_icon:
        .incbin "favicon.svg"
sp__http_page_icon_end:
        .byte 0

        .section .note.GNU-stack, "", %progbits
