# `cmake --install`, and the Debian package that `cpack` makes of the same files.
include(GNUInstallDirs)
set(docs ${PROJECT_BINARY_DIR}/packaging)
file(MAKE_DIRECTORY ${docs})

# Compressed as Debian wants them: without a name or a time within, so that the same sources make the same package.
set(compressed "")
function(daffi_compress from name)
    add_custom_command(OUTPUT ${docs}/${name}.gz COMMAND gzip -9 -n -c ${from} > ${docs}/${name}.gz DEPENDS ${from} VERBATIM)
    set(compressed ${compressed} ${docs}/${name}.gz PARENT_SCOPE)
endfunction()
configure_file(packaging/debian/changelog ${docs}/changelog @ONLY)
daffi_compress(${docs}/changelog changelog)
daffi_compress(${PROJECT_SOURCE_DIR}/docs/man/daffi-bridge.8 daffi-bridge.8)
daffi_compress(${PROJECT_SOURCE_DIR}/docs/man/daffi-bridge.json.5 daffi-bridge.json.5)
add_custom_target(packaging_documents ALL DEPENDS ${compressed})

install(TARGETS daffi-bridge RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
# `daffi-bridge dev` is for everybody, and sbin not on everybody's PATH
file(CREATE_LINK ../sbin/daffi-bridge ${docs}/daffi-bridge SYMBOLIC)
install(FILES ${docs}/daffi-bridge DESTINATION ${CMAKE_INSTALL_BINDIR})
# where the unit looks, whatever the prefix
install(FILES conf/daffi-bridge.json DESTINATION /etc/daffi-bridge)
install(FILES conf/daffi-bridge.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/daffi-bridge)
# Documents lie as they do in the sources, so that what they name by a link is there: the schema of the examples, too.
install(FILES README.md SECURITY.md ARCHITECTURE.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN man EXCLUDE)
install(DIRECTORY conf/examples DESTINATION ${CMAKE_INSTALL_DOCDIR}/conf)
install(FILES conf/daffi-bridge.json DESTINATION ${CMAKE_INSTALL_DOCDIR}/conf)
file(CREATE_LINK ../../../daffi-bridge/daffi-bridge.schema.json ${docs}/daffi-bridge.schema.json SYMBOLIC)
install(FILES ${docs}/daffi-bridge.schema.json DESTINATION ${CMAKE_INSTALL_DOCDIR}/conf)
install(DIRECTORY js-client/examples DESTINATION ${CMAKE_INSTALL_DOCDIR}/js-client)
install(FILES tests/vectors/daffi-3.0.1.json DESTINATION ${CMAKE_INSTALL_DOCDIR}/tests/vectors)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES ${docs}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${docs}/daffi-bridge.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${docs}/daffi-bridge.json.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES conf/completion/daffi-bridge DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES systemd/daffi-bridge.service systemd/daffi-bridge.socket DESTINATION lib/systemd/system)
install(FILES systemd/daffi-bridge.sysusers.conf DESTINATION lib/sysusers.d RENAME daffi-bridge.conf)
install(FILES systemd/daffi-bridge.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME daffi-bridge.conf)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The daffi-bridge authors <daffi-bridge@example.org>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# either has systemd-sysusers, which postinst makes the user by
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS libnss3-tools) # certutil, for `daffi-bridge trust`
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "lets web pages call Python over daffi, safely")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "One small daemon that serves the daffi client for browsers over HTTPS, takes
WebSockets and Python peers with TLS, checks each message, and passes on what
is safe to Python Routers and Services, or is the Router itself.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/debian/postinst ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
    ${PROJECT_SOURCE_DIR}/packaging/debian/postrm ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles)
include(CPack)
